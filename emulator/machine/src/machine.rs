//! The machine as a whole.

use crate::bios::BuiltIn;
use crate::board::{Board, Parts};
use crate::bus::processor::{ProcessorBus, SharedBoard, lock};
use crate::clock::MachineClock;
use crate::engine::Engine;
use crate::input::Pointer;
use crate::interrupts::Init;
use crate::screen::ScreenLook;
use crate::stats::{DeviceStats, ExitStats, Stats, TlbStats};
use crate::{BootSource, ClockMode, Control, MachineConfig, MachineError, boot};
use glassbox_cpu::{Cpu, CpuSignals, Observer};
use glassbox_device_api::{ResetKind, VmClock, VmTime};
use glassbox_display::{Changes, Frame, TextScreen};
use glassbox_memory::{Gpa, GuestMemory};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// A PC: processor, memory, board, and what it boots.
pub struct Machine {
    pub(crate) cpu: Cpu,
    pub(crate) engine: Engine,
    pub(crate) board: SharedBoard,
    pub(crate) clock: MachineClock,
    pub(crate) control: Control,
    pub(crate) source: BootSource,
    /// The built-in BIOS, where the machine starts it.
    pub(crate) bios: Option<BuiltIn>,
    pub(crate) exits: ExitStats,
    pub(crate) resets: u64,
    pub(crate) wall: Duration,
    /// The TSC offset that the local APIC knows of.
    tsc_offset: u64,
    pub(crate) unattended: bool,
    /// A triple fault starts the machine anew.
    pub(crate) restarts: bool,
    pub(crate) guest_time_limit: Option<VmTime>,
    pub(crate) screen: ScreenLook,
    pub(crate) pointer: Pointer,
    /// Since when the processor has been halted with interrupts disabled, and
    /// how many instructions it had retired then.
    pub(crate) dead_since: Option<(u64, VmTime)>,
}

impl Machine {
    /// Builds a machine and loads its kernel; nothing runs yet.
    ///
    /// # Errors
    /// [`MachineError`] for what cannot be built or booted: one line that says
    /// what is wrong and what to do.
    pub fn new(config: MachineConfig) -> Result<Self, MachineError> {
        if config.clock == (ClockMode::Instructions { mips: 0 }) {
            return Err(MachineError::ClockStandsStill);
        }
        let memory = GuestMemory::new(config.memory)?;
        let signals = Arc::new(CpuSignals::default());
        config.control.attach(Arc::clone(&signals));
        let clock = MachineClock::new(config.clock, &signals);
        let mut board = Board::new(Parts {
            clock: VmClock::new(clock.source()),
            processors: vec![Arc::clone(&signals)],
            serial: config.serial,
            debug_console: config.debug_console,
            debug_exit: config.debug_exit,
            for_qemu: matches!(config.boot, BootSource::Firmware(_)),
            memory: memory.clone(),
            rtc_seconds: rtc_seconds(config.clock),
            services: config.boot.has_built_in_bios(),
            legacy: config.boot.has_firmware(),
            drives: config.drives,
            display: config.display,
            virtio_input: config.virtio_input,
        })?;
        board.devices.pit.set_speaker(config.speaker);
        if let BootSource::Firmware(firmware) = &config.boot {
            let processor = [config.model.signature(), crate::bios::PROCESSOR_FEATURES];
            board.add_firmware(firmware, config.flash, processor)?;
        }
        let board = Arc::new(Mutex::new(board));
        let bus = Box::new(ProcessorBus::new(Arc::clone(&board), clock.clone(), 0));
        let mut cpu = Cpu::new(memory, bus, signals, Arc::new(config.model));
        cpu.seed_entropy(entropy(config.clock));
        let mut machine = Self {
            cpu,
            engine: Engine::new(config.engine, config.jit_cache)?,
            board,
            clock,
            control: config.control,
            source: config.boot,
            bios: None,
            exits: ExitStats::default(),
            resets: 0,
            wall: Duration::ZERO,
            tsc_offset: 0,
            unattended: config.unattended,
            restarts: config.restarts,
            guest_time_limit: config.guest_time_limit.map(vm_time),
            screen: ScreenLook::new(config.screen_watchers),
            pointer: Pointer::default(),
            dead_since: None,
        };
        match &machine.source {
            BootSource::Bios(image) => boot::map_bios(&machine.cpu.memory, image)?,
            BootSource::Firmware(firmware) => boot::map_firmware(&machine.cpu.memory, &firmware.image)?,
            source if source.has_built_in_bios() => {
                let (placed, tables) = {
                    let board = lock(&machine.board);
                    (board.drives.clone(), board.tables())
                };
                let bios = BuiltIn::new(source, &placed, tables, machine.cpu.model.signature());
                let image = bios.image();
                boot::map_bios(&machine.cpu.memory, &image)?;
                // With A20 masked an INIT fetches 1 MiB below: chipsets have the ROM there, too.
                let alias = MASKED_ROM_END - image.0.len() as u64;
                machine.cpu.memory.map_rom(Gpa(alias), &image.0)?;
                machine.bios = Some(bios);
            }
            _ => {}
        }
        machine.boot()?;
        Ok(machine)
    }

    /// Writes guest code, steps and host code of each block that is compiled from
    /// now on to `out`.
    pub fn trace_compiled(&mut self, out: Box<dyn std::io::Write + Send>) {
        self.engine.dump_to(out);
    }

    /// Watches every instruction from here on, or stops doing so. Slow.
    pub fn set_observer(&mut self, observer: Option<Box<dyn Observer>>) {
        self.cpu.observer = observer;
        self.cpu.sync();
    }

    /// The boot processor.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// Copies guest physical memory, RAM or ROM, into `to`.
    ///
    /// # Errors
    /// [`MachineError::Memory`] where part of the range has no memory behind it.
    pub fn read_memory(&self, address: u64, to: &mut [u8]) -> Result<(), MachineError> {
        Ok(self.cpu.memory.read_bytes(Gpa(address), to)?)
    }

    /// Brings a picture of the screen up to date and says what changed; `None`
    /// without a display.
    pub fn frame(&self, frame: &mut Frame) -> Option<Changes> {
        lock(&self.board).frame(frame)
    }

    /// What the text screen says; `None` without a display, or in a graphics mode.
    pub fn text_screen(&self) -> Option<TextScreen> {
        lock(&self.board).text_screen()
    }

    /// The last POST codes (port 80h), oldest first; repetitions are left out.
    pub fn post_codes(&self) -> Vec<u8> {
        lock(&self.board).post_codes.iter().copied().collect()
    }

    /// Counters since the machine was built.
    pub fn stats(&self) -> Stats {
        let board = lock(&self.board);
        let (fills, flushes) = self.cpu.tlb_counts();
        Stats {
            instructions: self.cpu.state.retired,
            wall: self.wall,
            engine: self.engine.stats(),
            tlb: TlbStats { fills, flushes },
            jit: self.engine.jit_stats(),
            exits: self.exits,
            devices: DeviceStats {
                interrupts: board.interrupts.acknowledged,
                resets: self.resets,
                ..board.counts
            },
        }
    }

    /// The reset line: devices and processor start anew, and so does the kernel.
    ///
    /// # Errors
    /// [`MachineError`] where the kernel cannot be loaded again.
    pub fn reset(&mut self) -> Result<(), MachineError> {
        self.resets += 1;
        log::info!("reset");
        lock(&self.board).reset(ResetKind::Warm);
        self.cpu.reset();
        self.boot()
    }

    /// INIT of the processor (Intel SDM Vol. 3A 10.1, 11.4.7.3): it and its local APIC
    /// start anew at the reset vector, and find memory and board as they are.
    pub(crate) fn init(&mut self, way: Init) -> Result<(), MachineError> {
        let resets = match self.source {
            BootSource::Bios(_) | BootSource::BuiltIn(_) => false,
            // QEMU, whose machine this firmware is made for, takes the pin for the reset line.
            BootSource::Firmware(_) => way == Init::Pin,
            // Nothing is at the reset vector.
            BootSource::Kernel(_) | BootSource::Flat(_) | BootSource::Sector(_) => true,
        };
        if resets {
            return self.reset();
        }
        log::info!("INIT");
        let mut board = lock(&self.board);
        if let Some(apic) = board.interrupts.lapics.first_mut() {
            apic.init();
            if self.bios.is_some() {
                // Its stub goes on by the shutdown code before it looks at the board again.
                apic.set_virtual_wire_mode();
            }
        }
        board.interrupts.settle();
        drop(board);
        self.cpu.init();
        Ok(())
    }

    /// Begins at the firmware; where there is none, leaves memory and processor as it would.
    fn boot(&mut self) -> Result<(), MachineError> {
        if let Some(bios) = &mut self.bios {
            bios.power_on();
        } else if let BootSource::Flat(flat) = &self.source {
            boot::leave_firmware_state(&mut self.cpu, &mut lock(&self.board));
            boot::load_flat(&mut self.cpu, flat)?;
        }
        Ok(())
    }

    /// Carries what the guest wrote to its TSC over to the local APIC, whose
    /// deadline timer compares with it.
    pub(crate) fn follow_tsc(&mut self) {
        let offset = self.cpu.state.msr.tsc_offset;
        if self.tsc_offset != offset {
            self.tsc_offset = offset;
            if let Some(apic) = lock(&self.board).interrupts.lapics.first_mut() {
                apic.set_tsc_offset(offset);
            }
        }
    }
}

/// End of the ROM where address bit 20 is masked.
const MASKED_ROM_END: u64 = 0xFFF0_0000;
/// What the RTC of a machine that runs on instructions shows at power-on:
/// 2026-01-01 00:00:00.
const REPEATABLE_DATE: i64 = 1_767_225_600;
/// Where RDRAND and RDSEED of such a machine begin.
const REPEATABLE_ENTROPY: u64 = 0x6C61_7373_626F_7821;

fn vm_time(duration: Duration) -> VmTime {
    VmTime(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// The date at power-on: the host's, unless runs are to repeat.
fn rtc_seconds(clock: ClockMode) -> i64 {
    match clock {
        ClockMode::Instructions { .. } => REPEATABLE_DATE,
        ClockMode::Host => {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(REPEATABLE_DATE)
        }
    }
}

/// The seed of the guest's random numbers: the host's randomness, unless runs are to repeat.
fn entropy(clock: ClockMode) -> u64 {
    match clock {
        ClockMode::Instructions { .. } => REPEATABLE_ENTROPY,
        ClockMode::Host => RandomState::new().hash_one(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuiltInBios, DisplayConfig, Kernel, Limits};

    #[test]
    fn the_reset_vector_is_there_with_a20_masked() {
        let config = MachineConfig { memory: 16 << 20, ..MachineConfig::new(BuiltInBios::default()) };
        let machine = Machine::new(config).unwrap();
        let at = |address| {
            let mut bytes = [0; 16];
            machine.read_memory(address, &mut bytes).unwrap();
            bytes
        };
        assert_eq!(at(0xFFEF_FFF0), at(0xFFFF_FFF0));
        assert_ne!(at(0xFFFF_FFF0), [0; 16]);
    }

    /// Writes a character to text memory and halts.
    fn multiboot_kernel() -> Vec<u8> {
        let (magic, flags, at) = (0x1BAD_B002u32, 1u32 << 16, 0x10_0000);
        let checksum = magic.wrapping_add(flags).wrapping_neg();
        let header = [magic, flags, checksum, at, at, 0, 0, at + 32];
        let mut image: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
        // mov word [0B8000h], 0741h; hlt
        image.extend([0x66, 0xC7, 0x05, 0x00, 0x80, 0x0B, 0x00, 0x41, 0x07, 0xF4]);
        image
    }

    #[test]
    fn a_kernel_finds_a_display_in_text_mode() {
        let kernel = Kernel { image: multiboot_kernel().into(), ..Kernel::default() };
        let mut config = MachineConfig { memory: 16 << 20, ..MachineConfig::new(kernel) };
        config.display = Some(DisplayConfig::default());
        config.unattended = true;
        let mut machine = Machine::new(config).unwrap();
        machine.run(Limits { instructions: Some(1000), ..Limits::default() }).unwrap();
        let text = machine.text_screen().unwrap();
        assert_eq!((text.columns, text.rows), (80, 25));
        assert_eq!(text.lines()[0].trim_end(), "A");
        let mut frame = Frame::default();
        machine.frame(&mut frame);
        assert_eq!((frame.width(), frame.height()), (720, 400));
    }
}
