//! The store keeps its promises on both databases.

mod counts;
mod family_plans;
mod former_families;
mod migrations;
mod plans;
mod races;
mod rows;
mod statements;
mod sweep;
