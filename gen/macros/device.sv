// Device view of an array, for simulation: every cell is two resistances of a map, read by Ohm's
// law, with offsets, noise, write pulses and wear. All of it is integers; binohm.sim.device computes
// the same bits, and says what the words of a map are.
//
// Timing is that of a datasheet: LATENCY, INTERVAL and OUTSTANDING. A request does what it does in
// the cycle in which it is accepted. Reset restarts the numbers of images, reads and transposed
// reads, on which noise depends, and leaves the devices alone.
//
// Map and image are read at the first clock edge. Their names and the identity are ports, so that
// all arrays of a kind are one module. +binohm_image=N numbers the first image after reset, 0 if
// absent; with +binohm_blank no device has ever been written.
// Loops are not unrolled: the compiler would take minutes for many small arrays.
/* verilator lint_off WIDTHEXPAND */  // operands are extended by the rules of Verilog
/* verilator lint_off BLKSEQ */  // one process owns the devices and changes them in order
/* verilator lint_off UNUSEDSIGNAL */  // words of the map have many fields
module binohm_device #(
    parameter integer ROWS = 1,
    parameter integer BIAS_ROWS = 0,
    parameter integer COLUMNS = 1,
    parameter integer READOUT = 0,    // 0 sa, 1 adc, 2 pcsa
    parameter integer CELL = 0,       // 0 1t1r, 1 2t2r, 2 complementary
    parameter integer BITS = 1,       // of a column in a response
    parameter integer REF_BITS = 1,   // of a reference code
    parameter integer REF_CODES = 0,  // none, one for all columns, or one a column
    parameter integer FIELDS = COLUMNS,  // of a response: columns, or rows if those are more
    parameter integer TRANSPOSED = 0,  // whether it is read both ways: adc, 1t1r
    parameter integer PER_CYCLE = 1,  // columns in a word of the image; of pcsa a word is a row
    parameter integer ROW_BITS = 1,
    parameter integer LATENCY = 1,
    parameter integer INTERVAL = 1,
    parameter integer OUTSTANDING = 1,
    parameter integer NAME_BITS = 8
) (
    input  wire [NAME_BITS-1:0]      init,
    input  wire [NAME_BITS-1:0]      map,
    input  wire [31:0]               id,
    input  wire                      clk,
    input  wire                      rst,
    input  wire [2:0]                cmd,
    input  wire [ROW_BITS-1:0]       row,
    input  wire [ROWS+BIAS_ROWS-1:0] x_p,
    input  wire [ROWS+BIAS_ROWS-1:0] x_n,
    input  wire [COLUMNS-1:0]        col_x,
    input  wire [COLUMNS-1:0]        col_en,
    input  wire [(REF_CODES > 0 ? REF_CODES*REF_BITS : 1)-1:0] ref_code,
    input  wire                      req_valid,
    output wire                      req_ready,
    output wire [FIELDS*BITS-1:0]    q,
    output wire                      q_valid,
    input  wire                      q_ready
);
    localparam [2:0] READ = 0, TRANSPOSED_READ = 1, SET = 2, VERIFY_SET = 4, VERIFY_RESET = 5;
    localparam integer ADC = 1, PCSA = 2;                        // READOUT
    localparam integer SINGLE = 0, PAIR = 1, COMPLEMENTARY = 2;  // CELL
    localparam [31:0] OF_READ = 1, OF_DEVICE = 2, OF_TRANSPOSED = 3;  // what a hash is for

    localparam integer LINES = ROWS + BIAS_ROWS;
    localparam integer ACROSS = COLUMNS + 2;  // columns of devices: two of references
    localparam integer COLUMN_BITS = ROWS + 2 * BIAS_ROWS;
    localparam integer WORD_BITS = READOUT == PCSA ? COLUMNS : PER_CYCLE * COLUMN_BITS;
    localparam integer DEPTH = READOUT == PCSA ? ROWS : (COLUMNS + PER_CYCLE - 1) / PER_CYCLE;

    // Words of the map
    localparam [63:0] MAGIC = 64'h62696e6f686d0001;
    localparam [63:0] SHAPE =
        {8'd0, CELL[3:0], READOUT[3:0], COLUMNS[15:0], BIAS_ROWS[15:0], ROWS[15:0]};
    localparam integer NORMALS = 16, LRS = NORMALS + 4096, HRS = LRS + 4096, SCALES = HRS + 4096;
    localparam integer OFFSETS = SCALES + 1 + (LINES > COLUMNS ? LINES : COLUMNS);
    localparam integer DEVICES = OFFSETS + COLUMNS + LINES;
    localparam integer COUNT = (LINES + 1) * ACROSS * 2;  // of devices
    reg [63:0] word [0:DEVICES+2*COUNT-1];
    reg [31:0] seed;
    longint    unit;

    // Devices, in the order of the map
    reg        low [0:COUNT-1];  // low resistance: set
    reg        worn [0:COUNT-1];
    reg [3:0]  progress [0:COUNT-1];
    reg [31:0] writes [0:COUNT-1];
    reg [31:0] wear [0:COUNT-1];
    longint    current [0:COUNT-1];  // that a read draws, in pA

    // What a line adds to a column in pA, driven with +1 and with -1. Rows of one-line cells are
    // never driven with -1, and bias rows take off what they add otherwise.
    localparam integer CELLS = LINES * COLUMNS;
    longint plus [0:CELLS-1];
    longint minus [0:(CELL == COMPLEMENTARY ? CELLS : 1)-1];
    longint total [0:COLUMNS-1];
    longint across [0:ROWS-1];

    function automatic [31:0] mixed(input [31:0] state, input [31:0] value);
        reg [31:0] h;
        h = (state ^ value) * 32'h9e3779b1;
        h = (h ^ (h >> 15)) * 32'h85ebca6b;
        mixed = h ^ (h >> 13);
    endfunction

    function automatic [31:0] hash(input [31:0] purpose, input [31:0] a, input [31:0] b);
        hash = mixed(mixed(mixed(mixed(seed, id), purpose), a), b);
    endfunction

    function automatic integer device(input integer line, input integer column, input integer k);
        device = (line * ACROSS + column) * 2 + k;
    endfunction

    // A device has another resistance each time it has been written.
    task automatic settle(input integer d);
        reg [31:0] h;
        reg [63:0] ohm;
        h = mixed(hash(OF_DEVICE, d, writes[d]), 0);
        if (low[d]) ohm = {32'd0, word[DEVICES+2*d][31:0]} * word[LRS+h[11:0]];
        else ohm = {32'd0, word[DEVICES+2*d][63:32]} * word[HRS+h[11:0]];
        ohm = ohm >> 16;
        if (ohm == 0) ohm = 1;
        current[d] = word[4] / (ohm + word[DEVICES+2*d+1][19:0]);
    endtask

    // Offset and noise of a sense amplifier, in pA: of columns, then of rows. `own` is a hash of
    // what the noise depends on.
    function automatic longint error(input integer place, input [31:0] own, input longint scale);
        longint drawn;
        drawn = word[NORMALS+own[11:0]] + word[NORMALS+own[23:12]];
        error = $signed(word[OFFSETS+place]) + ((drawn * scale) >>> 16);
    endfunction

    // After the devices of a cell have changed.
    task automatic refresh(input integer line, input integer column);
        longint a, b, low_a, low_b, high_a, high_b;
        integer place;
        place = line * COLUMNS + column;
        a = current[device(line, column, 0)];
        b = current[device(line, column, 1)];
        low_a = current[device(line, COLUMNS, 0)];
        low_b = current[device(line, COLUMNS, 1)];
        high_a = current[device(line, COLUMNS + 1, 0)];
        high_b = current[device(line, COLUMNS + 1, 1)];
        if (line >= ROWS || (READOUT == PCSA && CELL != SINGLE)) plus[place] = a - b;
        else if (CELL == PAIR) plus[place] = a - b + (READOUT == ADC ? low_a - high_a : 0);
        else begin
            plus[place] = 2 * a - high_a - (READOUT == ADC ? high_a : low_a);
            if (CELL == COMPLEMENTARY)
                minus[place] = 2 * b - high_b - (READOUT == ADC ? high_b : low_b);
        end
    endtask

    reg [WORD_BITS-1:0] cells [0:DEPTH-1];

    // Whether the image wants device k of a cell set.
    function automatic wanted(input integer line, input integer column, input integer k);
        integer at;
        at = (column % PER_CYCLE) * COLUMN_BITS + line;
        if (READOUT == PCSA) wanted = cells[line][column] ^ k[0];
        else if (line >= ROWS) wanted = cells[column/PER_CYCLE][k == 0 ? at : at + BIAS_ROWS];
        else wanted = cells[column/PER_CYCLE][at] ^ k[0];
        if (CELL == SINGLE && line < ROWS && k == 1) wanted = 0;
    endfunction

    task automatic load;
        integer line, column, k, d;
        reg written;
        /* verilator unroll_disable */
        for (k = 0; k < DEVICES + 2 * COUNT; k = k + 1) word[k] = 0;
        $readmemh(map, word);
        seed = word[3][31:0];
        unit = word[5];
        if (word[0] != MAGIC)
            $fatal(1, "%0s is no device map of this version; build again", map);
        if (word[1] != SHAPE)
            $fatal(1, "%0s belongs to another kind of array; build again", map);
        if (word[2] == 0 || unit == 0 || word[DEVICES+2*COUNT-2] == 0)
            $fatal(1, "%0s is damaged; build again", map);
        written = init != 0 && $test$plusargs("binohm_blank") == 0;
        /* verilator unroll_disable */
        for (k = 0; k < DEPTH; k = k + 1) cells[k] = 0;
        if (written) $readmemh(init, cells);
        /* verilator unroll_disable */
        for (d = 0; d < COUNT; d = d + 1) begin
            line = d / 2 / ACROSS;
            column = d / 2 % ACROSS;
            worn[d] = 0;
            progress[d] = 0;
            wear[d] = 0;
            writes[d] = 1;
            if (line == LINES || column >= COLUMNS) low[d] = line < LINES && column == COLUMNS;
            else begin
                writes[d] = written;
                case (word[DEVICES+2*d+1][29:28])
                    1: low[d] = 1;
                    2: low[d] = 0;
                    default: low[d] = written && wanted(line, column, d % 2);
                endcase
            end
            settle(d);
        end
        /* verilator unroll_disable */
        for (k = 0; k < CELLS; k = k + 1) refresh(k / COLUMNS, k % COLUMNS);
    endtask

    reg [31:0] first, image, read, transposed;  // the last: transposed reads so far

    // Reference code of a column, in pA.
    function automatic longint reference(input integer column);
        reg signed [REF_BITS-1:0] code;
        code = ref_code[(REF_CODES > 1 ? column * REF_BITS : 0) +: REF_BITS];
        reference = code * unit;
    endfunction

    // What a converter makes of twice a current.
    function automatic [BITS-1:0] code(input longint twice);
        longint units;
        units = twice < 0 ? 0 : twice / (2 * unit);
        code = units > MOST ? MOST[BITS-1:0] : units[BITS-1:0];
    endfunction

    // Add up all columns that are on, beside the row of references, and convert.
    task automatic read_rows;
        longint scale;
        reg [31:0] h;
        integer line, column, on;
        /* verilator unroll_disable */
        for (line = 0; line < ROWS; line = line + 1) across[line] = unit;
        on = 0;
        /* verilator unroll_disable */
        for (column = 0; column < COLUMNS; column = column + 1)
            if (col_x[column] && col_en[column]) begin
                on = on + 1;
                /* verilator unroll_disable */
                for (line = 0; line < ROWS; line = line + 1)
                    across[line] = across[line] + 2 * (current[device(line, column, 0)]
                        - current[device(LINES, column, 0)]);
            end
        h = hash(OF_TRANSPOSED, transposed, 0);
        scale = word[SCALES+on];
        /* verilator unroll_disable */
        for (line = 0; line < ROWS; line = line + 1)
            answer[line*BITS +: BITS] =
                code(across[line] + 2 * error(COLUMNS + line, mixed(h, line), scale));
    endtask

    // Add up all driven lines, and decide.
    task automatic read_columns;
        longint scale, t;
        reg [31:0] h;
        integer line, column, base, driven;
        /* verilator unroll_disable */
        for (column = 0; column < COLUMNS; column = column + 1)
            total[column] = REF_CODES > 0 ? reference(column) : 0;
        driven = 0;
        /* verilator unroll_disable */
        for (line = 0; line < LINES; line = line + 1) begin
            base = line * COLUMNS;
            if (x_p[line]) begin
                /* verilator unroll_disable */
                for (column = 0; column < COLUMNS; column = column + 1)
                    total[column] = total[column] + plus[base+column];
            end else if (x_n[line] && CELL == COMPLEMENTARY && line < ROWS) begin
                /* verilator unroll_disable */
                for (column = 0; column < COLUMNS; column = column + 1)
                    total[column] = total[column] + minus[base+column];
            end else if (x_n[line]) begin
                /* verilator unroll_disable */
                for (column = 0; column < COLUMNS; column = column + 1)
                    total[column] = total[column] - plus[base+column];
            end
            if (x_p[line] || x_n[line]) driven = driven + 1;
        end
        h = hash(OF_READ, image, read);
        scale = word[SCALES+driven];
        /* verilator unroll_disable */
        for (column = 0; column < COLUMNS; column = column + 1) begin
            t = total[column] + 2 * error(column, mixed(h, column), scale) + unit;
            if (READOUT == ADC) answer[column*BITS +: BITS] = code(t);
            else answer[column*BITS] = t + total[column] > 0;
        end
    endtask

    // Compare one row with the inputs on the columns.
    task automatic read_row;
        longint scale;
        reg [31:0] h;
        integer column;
        h = hash(OF_READ, image, read);
        scale = word[SCALES+1];
        /* verilator unroll_disable */
        for (column = 0; column < COLUMNS; column = column + 1)
            answer[column] = col_en[column]
                && (plus[row*COLUMNS+column] + error(column, mixed(h, column), scale) > 0)
                == col_x[column];
    endtask

    // One pulse towards low or high resistance.
    task automatic pulse(input integer d, input target);
        reg [63:0] limits;
        limits = word[DEVICES+2*d+1];
        wear[d] = wear[d] + 1;
        if (wear[d] > limits[63:32]) worn[d] = 1;
        if (limits[29:28] == 0 && !worn[d]) begin
            progress[d] = progress[d] + 4'd1;
            if (low[d] == target || progress[d] == (target ? limits[23:20] : limits[27:24])) begin
                low[d] = target;
                progress[d] = 0;
                writes[d] = writes[d] + 1;
            end
        end
    endtask

    // Pulse or verify a device in each enabled column of a row.
    task automatic write_row;
        integer column, d;
        reg absent;
        /* verilator unroll_disable */
        for (column = 0; column < COLUMNS; column = column + 1) begin
            d = device(row, column, col_x[column] ? 0 : 1);
            absent = CELL == SINGLE && row < ROWS && !col_x[column];
            if (col_en[column])
                case (cmd)
                    VERIFY_SET: answer[column*BITS] = absent || current[d] >= $signed(word[6]);
                    VERIFY_RESET: answer[column*BITS] = absent || current[d] <= $signed(word[7]);
                    default:
                        if (!absent) begin
                            pulse(d, cmd == SET);
                            settle(d);
                            refresh(row, column);
                        end
                endcase
        end
    endtask

    localparam longint MOST = (64'd1 << BITS) - 1;
    reg [FIELDS*BITS-1:0] answer;

    task automatic serve;
        answer = 0;
        if (cmd == READ) begin
            if (READOUT == PCSA) read_row;
            else begin
                if ((x_p & x_n) != 0 || (CELL != COMPLEMENTARY && x_n[ROWS-1:0] != 0))
                    $fatal(1, "array %0d: a row cannot be driven so", id);
                read_columns;
            end
            read = read + 1;
            if (read == word[2][31:0]) begin
                read = 0;
                image = image + 1;
            end
        end else if (cmd == TRANSPOSED_READ && TRANSPOSED != 0) begin
            read_rows;
            transposed = transposed + 1;
        end else if (cmd >= SET && cmd <= VERIFY_RESET) write_row;
    endtask

    // Responses wait in a queue, each until it is due.
    reg                    loaded;
    reg [63:0]             now, open;  // the cycle, and that of the next request at the earliest
    reg [63:0]             due [0:OUTSTANDING-1];
    reg [FIELDS*BITS-1:0]  waiting [0:OUTSTANDING-1];
    integer                head, held;
    integer                k;
    initial begin
        loaded = 0;
        now = 0;
        open = 0;
        head = 0;
        held = 0;
        for (k = 0; k < OUTSTANDING; k = k + 1) due[k] = 0;
    end

    wire taken = q_valid & q_ready;
    wire accepted = req_valid & req_ready;
    assign req_ready = now >= open && (held < OUTSTANDING || taken);
    assign q_valid = held != 0 && now >= due[head];
    assign q = waiting[head];

    always @(posedge clk) begin
        if (!loaded) begin
            load;
            if ($value$plusargs("binohm_image=%d", first) == 0) first = 0;
            loaded = 1;
        end
        now <= now + 1;
        if (rst) begin
            image = first;
            transposed = 0;
            read = 0;
            held <= 0;
            open <= 0;
        end else begin
            if (accepted) begin
                serve;
                waiting[(head+held)%OUTSTANDING] <= answer;
                due[(head+held)%OUTSTANDING] <= now + LATENCY;
                open <= now + INTERVAL;
            end
            if (taken) head <= (head + 1) % OUTSTANDING;
            held <= held + accepted - taken;
        end
    end
endmodule
