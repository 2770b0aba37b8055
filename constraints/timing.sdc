# The accelerator by itself, any binohm_<name>: clock, and half a nanosecond outside on every port.
# A build directory has its own copy. The period is a starting point: set it to your target.
create_clock -name aclk -period 20.0 [get_ports aclk]
set_input_delay 0.5 -clock aclk [remove_from_collection [all_inputs] [get_ports aclk]]
set_output_delay 0.5 -clock aclk [all_outputs]
