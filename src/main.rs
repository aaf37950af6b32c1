//! The `gatewright` program: everything is in the library's `cli`.

fn main() -> std::process::ExitCode {
    gatewright::cli::main()
}
