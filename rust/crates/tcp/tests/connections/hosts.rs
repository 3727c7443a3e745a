//! Two connections over a link, for the tests of this folder.

use core::net::Ipv4Addr;

use tcp::{Addresses, Config, Ports};
use tcpsim::monitor::Monitor;
use tcpsim::{Application, Endpoint, Link, Path, Plan, Simulation};

pub(crate) const LEFT: Addresses =
    Addresses::V4 { source: Ipv4Addr::new(10, 0, 0, 1), destination: Ipv4Addr::new(10, 0, 0, 2) };
pub(crate) const RIGHT: Addresses =
    Addresses::V4 { source: Ipv4Addr::new(10, 0, 0, 2), destination: Ipv4Addr::new(10, 0, 0, 1) };
pub(crate) const PORTS: Ports = Ports { local: 40_000, remote: 80 };

pub(crate) type Pair = Simulation<Endpoint, Endpoint>;

/// Return two hosts, of which the left one connects, with plans, configurations, first sequence numbers and paths.
pub(crate) fn pair(plans: [Plan; 2], configs: [Config; 2], isns: [u32; 2], paths: [Path; 2], seed: u64) -> Pair {
    let streams = [plans[0].stream, plans[1].stream];
    let [plan_left, plan_right] = plans;
    let [config_left, config_right] = configs;
    let left = Application::new(plan_left, streams[1]);
    let right = Application::new(plan_right, streams[0]);
    let [to_right, to_left] = paths;
    Simulation::new(
        Endpoint::connect(config_left, LEFT, PORTS, isns[0], left),
        Endpoint::listen(config_right, RIGHT, isns[1], right),
        [Link::new(to_right, seed), Link::new(to_left, !seed)],
        Monitor::new([(LEFT, streams[0], true), (RIGHT, streams[1], true)]),
    )
}

/// Return two hosts with the usual configuration on a path of the same kind in both directions.
pub(crate) fn plain_pair(plans: [Plan; 2], path: &Path) -> Pair {
    pair(plans, [Config::default(), Config::default()], [1, 2], [path.clone(), path.clone()], 0)
}
