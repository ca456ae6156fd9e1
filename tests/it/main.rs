//! Tests from outside the crate, in one binary: each more would link the whole SDK once more.
//!
//! The built program, its processes, files and exit statuses, against a simulator on loopback; the fixtures; and whole
//! runs in virtual time over many seeds.

#![allow(clippy::disallowed_methods, reason = "processes and sockets need real time")]

#[cfg(test)]
mod harness;

#[cfg(test)]
mod behavior_matrix;
#[cfg(test)]
mod behaviors;
#[cfg(test)]
#[path = "../architecture/blocks.rs"]
mod blocks;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod control;
#[cfg(test)]
mod correction_seeds;
#[cfg(test)]
mod corrections;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod cross_row;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod duplicates;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod export;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod failure_limits;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod forecast;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod input_limits;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod install;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod keys;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod misfires;
#[cfg(test)]
mod network;
#[cfg(test)]
mod next_commands;
#[cfg(test)]
mod order;
#[cfg(test)]
mod other_writers;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod reconcile;
#[cfg(test)]
mod reconcile_seeds;
#[cfg(test)]
mod rehearsal;
#[cfg(test)]
mod report;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod sign_ins;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod storage_faults;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod undo;
#[cfg(test)]
mod undo_seeds;
#[cfg(test)]
mod unlike_pool;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod validate;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod wire;
