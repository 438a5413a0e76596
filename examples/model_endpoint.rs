//! Runs the tests' model endpoint by hand: `cargo run --example model_endpoint -- 18080`. Then point a real CLI at it, as
//! CONTRIBUTING.md shows.

#[path = "../tests/support/model.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod model;

fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(18080);
    let endpoint = model::ModelEndpoint::start_on(port);
    println!("{}", endpoint.url());
    loop {
        std::thread::park();
    }
}
