//! Each endpoint does what it is for.

mod activity;
mod claims;
mod documents;
mod flow;
mod logout;
mod nodes;
mod resources;
