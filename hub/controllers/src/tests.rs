//! The controllers over stores in memory.
