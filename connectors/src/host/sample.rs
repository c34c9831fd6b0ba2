//! Takes one sample of the machine: a list of figures.

use sysinfo::{CpuRefreshKind, Disks, MemoryRefreshKind, Networks, ProcessRefreshKind, ProcessesToUpdate, System};

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) metric: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

/// Keeps what the next sample is compared with: use and traffic are counted since the last one.
pub(super) struct Sampler {
    system: System,
    disks: Disks,
    networks: Networks,
    process_limit: usize,
}

impl Sampler {
    pub(super) fn new(process_limit: usize) -> Self {
        let mut sampler = Self {
            system: System::new(),
            disks: Disks::new_with_refreshed_list(),
            networks: Networks::new_with_refreshed_list(),
            process_limit,
        };
        sampler.refresh();
        sampler
    }

    pub(super) fn host_name() -> String {
        System::host_name().unwrap_or_else(|| "localhost".into())
    }

    fn refresh(&mut self) {
        self.system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_cpu_usage());
        self.system.refresh_memory_specifics(MemoryRefreshKind::everything());
        if self.process_limit > 0 {
            let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
            self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        }
        self.disks.refresh(true);
        self.networks.refresh(true);
    }

    /// The figures now, in a stable order.
    pub(super) fn take(&mut self) -> Vec<Figure> {
        self.refresh();
        let mut all = Vec::new();
        let mut add = |kind, name: &str, figures: &[(&'static str, f64, &'static str)]| {
            all.extend(figures.iter().map(|(metric, value, unit)| Figure {
                kind,
                name: name.to_string(),
                metric,
                value: *value,
                unit,
            }));
        };
        let load = System::load_average();
        add(
            "cpu",
            "total",
            &[
                ("usage", f64::from(self.system.global_cpu_usage()), "percent"),
                ("load1", load.one, "processes"),
                ("load5", load.five, "processes"),
                ("load15", load.fifteen, "processes"),
            ],
        );
        for cpu in self.system.cpus() {
            add("cpu", cpu.name(), &[("usage", f64::from(cpu.cpu_usage()), "percent")]);
        }
        let memory = &self.system;
        add(
            "memory",
            "ram",
            &[
                ("total", memory.total_memory() as f64, "bytes"),
                ("used", memory.used_memory() as f64, "bytes"),
                ("available", memory.available_memory() as f64, "bytes"),
                ("usage", percent(memory.used_memory(), memory.total_memory()), "percent"),
            ],
        );
        add(
            "memory",
            "swap",
            &[("total", memory.total_swap() as f64, "bytes"), ("used", memory.used_swap() as f64, "bytes")],
        );
        let mut disks: Vec<_> = self.disks.list().iter().collect();
        disks.sort_by_key(|d| d.mount_point().to_path_buf());
        disks.dedup_by_key(|d| d.mount_point().to_path_buf());
        for disk in disks {
            let (total, free, io) = (disk.total_space(), disk.available_space(), disk.usage());
            add(
                "disk",
                &disk.mount_point().to_string_lossy(),
                &[
                    ("total", total as f64, "bytes"),
                    ("available", free as f64, "bytes"),
                    ("usage", percent(total.saturating_sub(free), total), "percent"),
                    ("read", io.read_bytes as f64, "bytes"),
                    ("written", io.written_bytes as f64, "bytes"),
                ],
            );
        }
        let mut networks: Vec<_> = self.networks.list().iter().collect();
        networks.sort_by_key(|(name, _)| name.as_str());
        for (name, network) in networks {
            add(
                "network",
                name,
                &[
                    ("received", network.received() as f64, "bytes"),
                    ("transmitted", network.transmitted() as f64, "bytes"),
                    ("errors", (network.errors_on_received() + network.errors_on_transmitted()) as f64, "packets"),
                ],
            );
        }
        // Threads of a process are counted in it.
        let mut processes: Vec<_> = self.system.processes().values().filter(|p| p.thread_kind().is_none()).collect();
        if self.process_limit > 0 {
            add("process", "all", &[("count", processes.len() as f64, "processes")]);
        }
        processes.sort_by(|a, b| {
            b.cpu_usage().total_cmp(&a.cpu_usage()).then(b.memory().cmp(&a.memory())).then(a.pid().cmp(&b.pid()))
        });
        for process in processes.into_iter().take(self.process_limit) {
            let name = format!("{} ({})", process.name().to_string_lossy(), process.pid());
            add(
                "process",
                &name,
                &[("cpu", f64::from(process.cpu_usage()), "percent"), ("memory", process.memory() as f64, "bytes")],
            );
        }
        all
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}
