//! What administrators do: clients and people.
