//! Drills: an incident beside steady normal load, on a pair of nodes and an authorizer. The right alert comes within a
//! minute, names who and where, and `explain` names the cause. Normal load raises none.

mod incidents;
mod stage;
