//! PCI configuration space, host bridge and ISA bridge.
