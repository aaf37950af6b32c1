//! Memory that a connection or one of its requests holds, and requests from their heads to the end of their answers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::Connection;

/// What a request holds while it is worked on: its future, and what a handler makes.
const WORK: usize = 16 * 1024;

/// Bytes that a connection holds for one purpose, as long as this lives.
#[derive(Debug)]
pub(in crate::http::server) struct Held {
    connection: Arc<Connection>,
    bytes: usize,
}

impl Held {
    pub fn new(connection: &Arc<Connection>) -> Self {
        Self {
            connection: Arc::clone(connection),
            bytes: 0,
        }
    }

    /// From here on it holds so many bytes; false if the server holds too much, and nobody could make room.
    pub fn set(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes > before {
            return self.connection.hold(bytes - before);
        }
        if bytes < before {
            self.connection.let_go(before - bytes);
        }
        true
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.connection.let_go(self.bytes);
    }
}

/// A request, from its head to the last byte of its answer. It waits for its client until its work begins, and again
/// from its answer on; a body that is passed on while it comes makes it wait in between.
#[derive(Debug)]
pub(in crate::http::server) struct InFlight {
    connection: Arc<Connection>,
    bytes: AtomicUsize,
    begun: AtomicBool,
    working: AtomicBool,
    unread: AtomicBool,
}

impl InFlight {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            bytes: AtomicUsize::new(0),
            begun: AtomicBool::new(false),
            working: AtomicBool::new(false),
            unread: AtomicBool::new(false),
        }
    }

    /// It holds so many bytes more, to its end; false if the server holds too much, and nobody could make room.
    pub fn grow(&self, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.connection.hold(bytes)
    }

    /// It lets go of so many bytes before its end.
    pub fn shrink(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.connection.let_go(bytes);
    }

    /// All of it is here, and it is worth working on; false if there is no memory for that.
    pub fn begin_work(&self) -> bool {
        self.connection.begin_work();
        self.begun.store(true, Ordering::Relaxed);
        self.works();
        self.grow(WORK)
    }

    /// Its answer is made, and now its client's to read.
    pub fn answered(&self) {
        if self.begun.load(Ordering::Relaxed) {
            self.connection.worked();
            self.unread.store(true, Ordering::Relaxed);
            self.connection.unread(true);
            self.shrink(WORK);
        }
        self.waits();
    }

    /// It goes on without its client.
    pub fn works(&self) {
        if self.begun.load(Ordering::Relaxed) && !self.working.swap(true, Ordering::Relaxed) {
            self.connection.works_on_one(true);
        }
    }

    /// It waits for its client.
    pub fn waits(&self) {
        if self.working.swap(false, Ordering::Relaxed) {
            self.connection.works_on_one(false);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.waits();
        if self.unread.load(Ordering::Relaxed) {
            self.connection.unread(false);
        }
        self.connection.let_go(self.bytes.load(Ordering::Relaxed));
        self.connection.end_of_one();
    }
}
