//! Tests of the whole program and of its parts together.

#[cfg(test)]
mod conformance;
