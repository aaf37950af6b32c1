//! The command.
use clap::Parser;
#[derive(Parser)]
enum Temporary { Demo(gatewright::cli::demo::DemoArgs) }
fn main() {
    let Temporary::Demo(args) = Temporary::parse();
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    if let Ok(rt) = rt { if let Err(e) = rt.block_on(gatewright::cli::demo::run(&args)) { eprintln!("error: {e}"); } }
}
