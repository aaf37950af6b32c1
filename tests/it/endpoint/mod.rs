//! Each endpoint does what it is for.

mod flow;
