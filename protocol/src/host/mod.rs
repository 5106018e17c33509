//! The impure half: what a session needs from the world to become a connection.
//!
//! Operating system (`system`), a clock's floor (`clock`), sockets (`net`), keys and certificates (`tls`), quinn's settings
//! (`endpoint`), streams (`lanes`), the one loop between a session and a connection (`driver`) and
//! the frozen exchange by which a cluster joins (`enrol`). Everything takes its clock, entropy and
//! sockets as arguments; only `system` and `net::SystemNetwork` reach for the real ones. It knows no
//! kind and holds no protocol logic: that is `session`'s.

pub mod clock;
pub mod driver;
pub mod endpoint;
pub mod enrol;
pub mod lanes;
pub mod net;
pub mod system;
pub mod tap;
pub mod tls;
mod transport;

pub use endpoint::EndpointSecrets;
pub use enrol::JoinToken;
pub use net::{Network, SystemNetwork};
pub use tls::{Crypto, Identity, Pin, SecretKey};
