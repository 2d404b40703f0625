//! CPUID: what the processor says it is, and what therefore executes.

use iced_x86::Instruction;

/// A processor model.
#[derive(Clone, Debug, Default)]
pub struct CpuModel {}

impl CpuModel {
    /// Leaf 1 EAX: family, model, stepping.
    pub fn signature(&self) -> u32 {
        0x000F_0F01
    }

    /// Whether the model has everything that this instruction needs: where it
    /// has not, the instruction raises #UD.
    pub fn implements(&self, instruction: &Instruction) -> bool {
        let _ = instruction;
        true
    }
}
