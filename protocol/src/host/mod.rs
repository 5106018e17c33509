//! The impure half: quinn, rustls and the one driver (being written).
