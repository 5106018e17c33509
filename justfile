# The few commands that people repeat.

# The whole of it on this machine.
demo *args:
    cargo run --bin roadstead -- demo {{args}}

# All tests.
test:
    cargo test --workspace

# Format, clippy, documentation.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# Simulation seeds.
seeds n="200":
    cargo run --profile sim --bin roadstead-sim -- swarm --seeds {{n}} --jobs 2

# What CI runs.
ci:
    bash .ci/run

# The generated tables of the built-in kinds.
tables:
    cargo run -p roadstead-generate
