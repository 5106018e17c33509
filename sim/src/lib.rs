//! The deterministic simulation: the real hub and the real agents on a simulated network, disk and
//! clock, with faults drawn from a seed, and checkers that know only what users were told and what
//! members hold.
//!
//! Nothing in hub or agent knows that it is simulated: everything comes in through the same
//! arguments as in a real process. One seed gives one run, byte for byte.

pub mod act;
pub mod acts;
pub mod check;
pub mod clock;
pub mod command;
pub mod disk;
pub mod drift;
pub mod endings;
pub mod env;
pub mod failed;
pub mod fault;
pub mod gate;
pub mod hosted;
pub mod hosts;
pub mod http;
pub mod inject;
pub mod late;
pub mod lone;
pub mod model;
pub mod mood;
pub mod net;
pub mod order;
pub mod phases;
pub mod planted;
pub mod reconcile;
pub mod rng;
pub mod run;
pub mod shape;
pub mod shown;
pub mod shrink;
pub mod stop;
pub mod stopped;
pub mod swarm;
pub mod tend;
pub mod tls;
pub mod trace;
pub mod user;
pub mod vanish;
pub mod work;
pub mod world;
pub mod written;
