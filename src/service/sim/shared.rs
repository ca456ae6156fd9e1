//! A world that several callers hold at once: the connections of a server, the calls of a port.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::decide::{Pending, Ticket};
use super::error::ApiError;
use super::request::{Operation, Request};
use super::stats::Stats;
use super::world::World;
use crate::clock::UnixMs;

/// A world in common. The lock is held for the decision of one call, never while anybody waits.
#[derive(Clone)]
pub struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    /// Takes a world that several shall hold.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A caller that panicked left a world whose parts are each whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the world, or changes it.
    pub fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.lock())
    }

    /// What was seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.lock().stats()
    }

    /// Takes the world out and leaves an empty one.
    #[must_use]
    pub fn take(&self) -> World {
        std::mem::take(&mut *self.lock())
    }

    /// Decides a call. It counts as in flight until the second value is dropped: when the answer is out, or when
    /// nobody waits for it any more.
    pub fn begin(&self, now: UnixMs, operation: Operation, request: Result<Request, ApiError>) -> (Pending, InFlight) {
        let (pending, ticket) = self.lock().begin(now, operation, request);
        (pending, InFlight { world: self.clone(), ticket })
    }
}

/// A call in flight; dropping it ends it.
#[must_use = "the call ends when this is dropped"]
pub struct InFlight {
    world: SharedWorld,
    ticket: Ticket,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.world.lock().finish(&self.ticket);
    }
}
