//! Why a reading ends before the end of its input, where the file system did not say it.

use std::io;

use crate::domain::run::StopError;

/// Why a later reading ends: the input is not as it was checked.
#[derive(Debug, thiserror::Error)]
#[error("it has changed since it was checked")]
pub(super) struct InputChanged;

/// S3 cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ObjectUnreadable(pub(super) StopError);

fn is<T: std::error::Error + 'static>(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<T>)
}

/// Whether this error is that of an input that has changed.
pub(super) fn is_change(error: &io::Error) -> bool {
    is::<InputChanged>(error)
}

/// Whether this error is that of the place where the bytes are, which says nothing about the bytes.
pub(super) fn is_of_storage(error: &io::Error) -> bool {
    error.raw_os_error().is_some() || is::<ObjectUnreadable>(error)
}

/// Returns why S3 cannot be read, where this is that error.
pub(super) fn object_stop(error: &io::Error) -> Option<&StopError> {
    error.get_ref().and_then(|error| error.downcast_ref()).map(|ObjectUnreadable(stop)| stop)
}
