//! Authorizer.
