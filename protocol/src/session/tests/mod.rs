//! Both ends together: what a user wrote arrives, whatever happens to the connection.

mod behaviour;
mod beside;
mod confused;
mod deltas;
mod disk;
mod hostile;
mod ledger;
mod older;
mod own_faults;
mod pair;
mod property;
