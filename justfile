# Recipes for developers; `just --list` prints them. Each is one command, so that nobody needs just.

# Run all tests of the workspace.
test:
    cargo test --workspace

# Run everything that must pass before a change is merged.
ci:
    .ci/run

# Check format and lints.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Accept changed snapshots; read the diff before you commit it.
snapshots:
    INSTA_UPDATE=always cargo test --lib

# Write the fixtures again, byte for byte.
fixtures:
    cargo run --example fixtures

# Rewrite the output and the generated parts of the documents.
docs:
    cargo build
    docs/refresh
    UPDATE_DOCS=1 cargo test --test architecture
