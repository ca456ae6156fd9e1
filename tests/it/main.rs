//! The built program from outside: its processes, its files, its exit statuses, against a simulator on loopback.

#[cfg(test)]
mod harness;

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod report;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod usage;
