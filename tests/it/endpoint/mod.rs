//! Each endpoint does what it is for.

mod activity;
mod blank;
mod claims;
mod documents;
mod flow;
mod hints;
mod logout;
mod native;
mod nodes;
mod request_objects;
mod resources;
mod two_tabs;
mod words;
