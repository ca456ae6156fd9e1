//! The program from outside.

mod fixtures;
