//! The program: nothing but the way in and the way out.

fn main() {}
