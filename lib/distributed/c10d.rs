//! The engine: c10d's store, through which processes find each other, and its Gloo group.

use super::Said;
use super::launch::Launch;
use crate::Result;
use stagediff_c10d::{Group, Network, Store};
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use tch::Tensor;

/// Names the interface that Gloo listens on, as in torch.distributed.
const INTERFACE: &str = "GLOO_SOCKET_IFNAME";

/// Between two looks at who has come.
const BETWEEN: Duration = Duration::from_millis(50);

pub(super) struct Engine {
    group: Group,
    store: Store,
}

impl Engine {
    /// Meets the other processes, which is given `start`; each call together then waits for the others as long as `each`.
    pub fn join(launch: &Launch, start: Duration, each: Duration) -> Result<Engine> {
        let began = Instant::now();
        let store = open_store(launch, start)?;
        meet(&store, launch, start.saturating_sub(began.elapsed()))?;
        let (rank, size) = (launch.rank as i32, launch.world_size as i32);
        let group = network(launch).and_then(|network| Group::open(&store, &network, rank, size, each));
        Ok(Engine { group: group.map_err(|said| launch.error(format!("cannot reach the others: {said}")))?, store })
    }

    pub fn all_reduce(&self, tensor: &mut Tensor, takes_max: bool) -> Said<()> {
        // SAFETY: a tensor's own pointer.
        unsafe { self.group.all_reduce(tensor.as_mut_ptr().cast(), takes_max) }
    }

    pub fn broadcast(&self, tensor: &mut Tensor) -> Said<()> {
        // SAFETY: as above.
        unsafe { self.group.broadcast(tensor.as_mut_ptr().cast(), 0) }
    }

    pub fn all_gather(&self, all: &mut Tensor, own: &mut Tensor) -> Said<()> {
        // SAFETY: as above.
        unsafe { self.group.all_gather(all.as_mut_ptr().cast(), own.as_mut_ptr().cast()) }
    }

    pub fn gather(&self, all: &mut Tensor, own: &mut Tensor) -> Said<()> {
        // SAFETY: as above.
        unsafe { self.group.gather(all.as_mut_ptr().cast(), own.as_mut_ptr().cast()) }
    }

    pub fn barrier(&self) -> Said<()> {
        self.group.barrier()
    }

    /// Leaves a text for the others.
    pub fn say(&self, key: &str, text: &str) -> Said<()> {
        self.store.set(key, text)
    }

    /// The text that another has left, or will.
    pub fn hear(&self, key: &str) -> Said<String> {
        self.store.get(key)
    }
}

fn open_store(launch: &Launch, start: Duration) -> Result<Store> {
    let Launch { rank, host, port, is_served, job, .. } = launch;
    let serves = *rank == 0 && !is_served;
    let prefix = format!("stagediff/{job}");
    Store::open(host, *port, serves, &prefix, start).map_err(|said| {
        let place = format!("{host}:{port} (MASTER_ADDR:MASTER_PORT)");
        launch.error(match serves {
            true => format!("cannot listen at {place}: does another group, or another program, use the port? ({said})"),
            false => format!("rank 0 did not come to {place} within {} s ({said})", start.as_secs_f64()),
        })
    })
}

/// Says that this process is there, and waits until all are.
fn meet(store: &Store, launch: &Launch, left: Duration) -> Result<()> {
    let Launch { rank, world_size, host, port, .. } = launch;
    let key = |rank: usize| format!("came/{world_size}/{rank}");
    let gone = |said| launch.error(format!("rank 0, at {host}:{port}, has ended ({said})"));
    if store.add(&key(*rank), 1).map_err(gone)? > 1 {
        return Err(launch.error(format!(
            "a rank {rank} has come to {host}:{port} before this one: two groups use one MASTER_PORT, give one another"
        )));
    }
    let began = Instant::now();
    loop {
        let mut missing = Vec::new();
        for rank in 0..*world_size {
            if !store.has(&key(rank)).map_err(gone)? {
                missing.push(rank.to_string());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        if began.elapsed() >= left {
            let missing = missing.join(", ");
            let waited = began.elapsed().as_secs_f64();
            return Err(launch.error(format!(
                "rank {missing} of {world_size} did not come to {host}:{port} within {waited:.0} s: it was not started, \
                 has ended, or was told another WORLD_SIZE, MASTER_ADDR or MASTER_PORT"
            )));
        }
        std::thread::sleep(BETWEEN);
    }
}

/// What Gloo listens on: an interface of that name, or the one that leads to the first process.
fn network(launch: &Launch) -> Said<Network> {
    if let Some(name) = std::env::var(INTERFACE).ok().filter(|name| !name.is_empty()) {
        return Ok(Network::Interface(name));
    }
    let leads_to = |host: &str| {
        let socket = UdpSocket::bind("0.0.0.0:0").or_else(|_| UdpSocket::bind("[::]:0"))?;
        socket.connect((host, launch.port))?;
        socket.local_addr()
    };
    let address = leads_to(&launch.host).map_err(|error| format!("no way to {}: {error}", launch.host))?;
    Ok(Network::Address(address.ip().to_string()))
}
