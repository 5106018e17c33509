//! A store on a disk: restarts, other processes, damage.
