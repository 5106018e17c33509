//! The agents' port over real UDP on loopback.

#[cfg(test)]
mod agent;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod turned;
#[cfg(test)]
mod world;
