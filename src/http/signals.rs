//! Signals of the operating system.

use std::{future::Future, io};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

/// Listens for SIGTERM and SIGINT from here on. The result is ready at the first; a second ends the process at once,
/// with the exit code that the signal alone would give. Nothing is lost by that which was acknowledged: the databases
/// keep their promises without our help.
///
/// # Errors
/// If the handlers cannot be installed.
pub fn shutdown() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (first, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        let _ = first.send(());
        let code = either(&mut terminate, &mut interrupt).await;
        std::process::exit(code);
    });
    Ok(async move {
        // An error means that the runtime ends, which is a reason to stop too.
        let _ = told.await;
    })
}

/// The exit code of a process that the signal ended.
async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> i32 {
    tokio::select! {
        _ = terminate.recv() => 128 + SignalKind::terminate().as_raw_value(),
        _ = interrupt.recv() => 128 + SignalKind::interrupt().as_raw_value(),
    }
}

/// Runs `action` at every SIGHUP from here on, until the handle is aborted.
///
/// # Errors
/// If the handler cannot be installed.
pub fn on_hangup(action: impl Fn() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            action();
        }
    }))
}
