//! Identity for years: the real hub and the real agent over loopback, with clocks that are set.

#[cfg(test)]
mod clocks;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod rejoin;
#[cfg(test)]
mod rollover;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod stage;
