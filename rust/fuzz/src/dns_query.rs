//! Messages of clients: resolved, or rejected with an answer that begins no loop and amplifies nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use dns::lookup::Transport;
use dns::message::query::{Query, Rejection};
use dns::message::reply::answer_rejected;
use dns::resolver::{Client, Resolver};
use dns::route::{NameServer, Path, Servers, Table};
use dns::zone::Zone;

/// HINFO with its text and OPT are all that is added to a question.
const MAX_ADDED_BYTES: usize = 40;

/// Return a table with an own name, a routed domain and servers of all other names.
#[must_use]
pub fn table() -> Table {
    let name = |text: &str| text.parse().expect("a valid name");
    let server = |last: u8| NameServer { address: ([192, 0, 2, last], 53).into(), path: Path::Tunnel };
    let own = (name("a.warren.internal"), vec![[10, 10, 0, 1].into()]);
    let mesh = vec!["10.10.0.0/16".parse().expect("a valid prefix")];
    Table {
        zone: Zone::new(name("warren.internal"), &[own], mesh.clone()),
        routes: HashMap::from([(name("corp.example"), Servers::from([server(3)]))]),
        others: Servers::from([server(1), server(2)]),
        host_names: HashSet::new(),
        host: Servers::from([]),
        mesh,
        rebind_allow: HashSet::new(),
    }
}

/// Parse any octets as a query, and give them to a resolver over both transports.
pub fn run(octets: &[u8]) {
    match Query::parse(octets) {
        Ok(query) => parsed(&query, octets),
        Err(rejection) => rejected(&rejection, octets),
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        resolve(transport, octets);
    }
}

fn parsed(query: &Query, octets: &[u8]) {
    assert_eq!(query.head.id.to_be_bytes(), octets[..2]);
    let again = query.question.encode(query.head.id, query.edns.is_some());
    let again = Query::parse(&again).expect("what was parsed can be asked");
    assert_eq!(again.question, query.question);
}

fn rejected(rejection: &Rejection, octets: &[u8]) {
    let answer = answer_rejected(rejection);
    assert_eq!(answer.is_none(), octets.len() < 12 || octets[2] & 0x80 != 0);
    if let Some(answer) = answer {
        assert!(answer.len() <= octets.len() + MAX_ADDED_BYTES);
        assert!(answer[..2] == octets[..2] && answer[2] & 0x80 != 0);
    }
}

fn resolve(transport: Transport, octets: &[u8]) {
    let (mut resolver, now) = (Resolver::new(Arc::new(table())), Instant::now());
    let client = Client { token: 7, peer: 1, transport };
    resolver.receive(client, octets, now, &mut || 0x1234);
    let answers: Vec<_> = std::iter::from_fn(|| resolver.take_answer()).collect();
    let outgoing = std::iter::from_fn(|| resolver.take_outgoing()).count();
    assert!(answers.len() + resolver.in_flight() <= 1 && outgoing == resolver.in_flight());
    for answer in answers {
        assert_eq!(answer.client, client);
        assert!(transport == Transport::Tcp || answer.octets.len() <= 1232);
        if let Ok(query) = Query::parse(octets) {
            let answered = query.question.verify_response(&answer.octets, query.head.id);
            assert!(answered.is_ok());
        }
    }
}
