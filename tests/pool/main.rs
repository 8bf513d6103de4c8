//! The pool, through its public door: selection, affinity, failures, operations, a simulated fleet.
mod affinity;
mod classes;
mod operations;
mod selection;
mod simulation;
mod spare;
mod speed;
mod support;
mod unbooked;
