//! Papers beside the code: they say what the code does, and nothing of the machine they were written on.
