//! The store keeps its promises on both databases.

mod counts;
mod migrations;
mod plans;
mod races;
mod rows;
mod statements;
mod sweep;
