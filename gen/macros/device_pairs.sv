// Device view of an update array, for simulation: pairs of devices whose current rises with each
// potentiation pulse along one curve, with mismatch and noise from pulse to pulse. All of it is
// integers; binohm.sim.training.pairs computes the same bits, and docs/learning.md says what the
// words of a map are.
//
// Commands, pins and timing are those of the digital view. The map is read at the first clock edge;
// its name and the identity are ports, so that all arrays of a kind are one module. Reset leaves
// the devices alone.
// Loops are not unrolled: the compiler would take minutes for many small arrays.
/* verilator lint_off WIDTHEXPAND */  // operands are extended by the rules of Verilog
/* verilator lint_off BLKSEQ */  // one process owns the devices and changes them in order
/* verilator lint_off UNUSEDSIGNAL */  // words of the map have many fields
module binohm_device_pairs #(
    parameter integer ROWS = 1,
    parameter integer COLUMNS = 1,
    parameter integer ROW_BITS = 1,
    parameter integer PULSES = 1,
    parameter integer LEVEL_BITS = 1,
    parameter integer NAME_BITS = 8
) (
    input  wire [NAME_BITS-1:0]          map,
    input  wire [31:0]                   id,
    input  wire                          clk,
    input  wire                          rst,
    input  wire [2:0]                    cmd,
    input  wire [ROW_BITS-1:0]           row,
    input  wire [COLUMNS-1:0]            col_x,
    input  wire [COLUMNS-1:0]            col_en,
    input  wire                          req_valid,
    output wire                          req_ready,
    output reg  [COLUMNS*LEVEL_BITS-1:0] q,
    output reg                           q_valid,
    input  wire                          q_ready
);
    localparam [2:0] SIGN = 0, LEVEL = 1, PULSE = 2, RESET = 3;
    localparam [31:0] OF_PULSE = 4, OF_RESET = 5;  // what a hash is for
    localparam [63:0] MAGIC = 64'h62696e6f68750001;
    localparam [63:0] SHAPE = {PULSES[31:0], COLUMNS[15:0], ROWS[15:0]};
    localparam integer NOISE = 8, CURVE = NOISE + 4096, LADDER = CURVE + PULSES + 1;
    localparam integer OFFSETS = LADDER + PULSES, DEVICES = OFFSETS + COLUMNS;
    localparam integer COUNT = ROWS * COLUMNS * 2;

    longint    word [0:DEVICES+COUNT-1];
    integer    pulses [0:COUNT-1];     // since the reset
    longint    deviation [0:COUNT-1];  // pA
    reg [31:0] wear [0:COUNT-1];       // pulses and resets of a life

    function automatic [31:0] mixed(input [31:0] state, input [31:0] value);
        reg [31:0] h;
        h = (state ^ value) * 32'h9e3779b1;
        h = (h ^ (h >> 15)) * 32'h85ebca6b;
        mixed = h ^ (h >> 13);
    endfunction

    // Noise of what a device receives now, Q16.
    function automatic longint noise(input [31:0] purpose, input integer device);
        reg [31:0] h;
        h = mixed(mixed(mixed(word[2][31:0], id), purpose), device);
        h = mixed(mixed(h, wear[device]), 0);
        noise = word[NOISE+h[11:0]];
    endfunction

    function automatic longint current(input integer device);
        longint base, gain;
        base = {32'd0, word[DEVICES+device][31:0]};
        gain = {44'd0, word[DEVICES+device][51:32]};
        current = base + ((gain * word[CURVE+pulses[device]]) >>> 16) + deviation[device];
    endfunction

    function automatic [LEVEL_BITS-1:0] level(input integer device);
        longint now;
        integer t;
        now = current(device);
        level = 0;
        /* verilator unroll_disable */
        for (t = 0; t < PULSES; t = t + 1) if (now >= word[LADDER+t]) level = level + 1'b1;
    endfunction

    task automatic pulse(input integer device);
        longint rise;
        wear[device] = wear[device] + 1;
        if (pulses[device] < PULSES) begin
            rise = word[CURVE+pulses[device]+1] - word[CURVE+pulses[device]];
            deviation[device] = deviation[device] + ((rise * noise(OF_PULSE, device)) >>> 16);
            pulses[device] = pulses[device] + 1;
        end
    endtask

    task automatic empty(input integer device);
        wear[device] = wear[device] + 1;
        pulses[device] = 0;
        deviation[device] = (word[3] * noise(OF_RESET, device)) >>> 16;
    endtask

    task automatic load;
        integer k;
        /* verilator unroll_disable */
        for (k = 0; k < DEVICES + COUNT; k = k + 1) word[k] = 0;
        $readmemh(map, word);
        if (word[0] != MAGIC)
            $fatal(1, "%0s is no map of an update array of this version; make it again", map);
        if (word[1] != SHAPE)
            $fatal(1, "%0s belongs to another kind of array; make it again", map);
        if (word[DEVICES+COUNT-1] == 0) $fatal(1, "%0s is damaged; make it again", map);
        /* verilator unroll_disable */
        for (k = 0; k < COUNT; k = k + 1) begin
            pulses[k] = 0;
            deviation[k] = 0;
            wear[k] = 0;
        end
    endtask

    reg loaded;
    initial loaded = 0;

    assign req_ready = ~q_valid | q_ready;
    wire accepted = req_valid & req_ready;
    reg [COLUMNS*LEVEL_BITS-1:0] answer;
    integer c, pair, chosen;
    always @(posedge clk) begin
        if (!loaded) begin
            load;
            loaded = 1;
        end
        q_valid <= ~rst & (accepted | (q_valid & ~q_ready));
        if (accepted & ~rst) begin
            answer = 0;
            /* verilator unroll_disable */
            for (c = 0; c < COLUMNS; c = c + 1) begin
                pair = ({{32-ROW_BITS{1'b0}}, row} * COLUMNS + c) * 2;
                chosen = col_x[c] ? pair : pair + 1;
                if (cmd == SIGN)
                    answer[c*LEVEL_BITS] =
                        current(pair) - current(pair + 1) + word[OFFSETS+c] >= 0;
                if (cmd == LEVEL) answer[c*LEVEL_BITS +: LEVEL_BITS] = level(chosen);
                if (cmd == PULSE && col_en[c]) pulse(chosen);
                if (cmd == RESET && col_en[c]) empty(chosen);
            end
            q <= answer;
        end
    end
endmodule
