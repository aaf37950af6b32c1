//! The `gatewright` program: everything is in the library's `cli`.

/// It gives memory back to the system after a rush; the C library's keeps most of what small pieces were made of.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    gatewright::cli::main()
}
