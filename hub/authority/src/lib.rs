//! Certificates and tokens (being written).
