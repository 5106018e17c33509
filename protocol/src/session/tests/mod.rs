//! Both ends together: what a user wrote arrives, whatever happens to the connection.

mod behaviour;
mod confused;
mod disk;
mod hostile;
mod ledger;
mod own_faults;
mod pair;
mod property;
