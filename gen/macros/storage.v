// Storage view of an array with precharge sense amplifiers: cells that a macro reads and writes one
// at a time, fetched word by word. A word is compared here, in logic: one row with the inputs on the
// columns; an enabled column that matches gives 1, a disabled one 0.
//
// The array lies on macros of CELL_ROWS x CELL_COLUMNS cells, side by side for the columns of a word
// and one above the other for the rows. Those side by side are told the same, at the same time, and
// each waited for: a word takes as many cells as a macro has columns. A row is fetched for each read
// or, if CACHED, once; then it is kept here until it is written.
//
// Latency of a read from the macros: 1 more than its cells take; interval the same; 1 outstanding.
// Of a word that is kept: 1 and 1. Set and reset write the cells of enabled columns with col_x; a
// cell has one device, so what is said of another is done and passes.
module binohm_storage_pcsa #(
    parameter ROWS = 1,
    parameter COLUMNS = 1,
    parameter ROW_BITS = 1,
    parameter CACHED = 0,
    parameter CELL_ROWS = 32,
    parameter CELL_COLUMNS = 32,
    parameter WRITE_CYCLES = 200,
    parameter READ_CYCLES = 44,
    parameter MODE_WRITE = 3,
    parameter MODE_READ = 1,
    parameter THRESHOLD = 128,
    parameter INIT = ""
) (
    input  wire                clk,
    input  wire                rst,
    input  wire [2:0]          cmd,
    input  wire [ROW_BITS-1:0] row,
    input  wire [COLUMNS-1:0]  col_x,
    input  wire [COLUMNS-1:0]  col_en,
    input  wire                req_valid,
    output wire                req_ready,
    output wire [COLUMNS-1:0]  q,
    output wire                q_valid,
    input  wire                q_ready
);
    localparam READ = 3'd0, SET = 3'd2, RESET = 3'd3, VERIFY_SET = 3'd4, VERIFY_RESET = 3'd5;
    localparam IDLE = 2'd0, COMMAND = 2'd1, DATA = 2'd2, RESPOND = 2'd3;
    localparam BANKS = (ROWS + CELL_ROWS - 1) / CELL_ROWS;
    localparam SLICES = (COLUMNS + CELL_COLUMNS - 1) / CELL_COLUMNS;
    localparam STEPS = COLUMNS < CELL_COLUMNS ? COLUMNS : CELL_COLUMNS;
    localparam PADDED = SLICES * CELL_COLUMNS;
    localparam [31:0] WRITE_MODE = MODE_WRITE, READ_MODE = MODE_READ, LAST = STEPS - 1;

    reg [1:0] state;
    reg [2:0] command;
    reg [31:0] bank, line, column;
    reg [COLUMNS-1:0] input_bits, enabled;
    reg [PADDED-1:0] word;
    reg [SLICES-1:0] done;
    wire writes = command == SET || command == RESET;
    wire accepted = req_valid & req_ready;
    wire keeps, kept;
    wire [COLUMNS-1:0] kept_word;

    // What the macros say, and which of them are asked: those that have the column, to read; those
    // whose cell changes, to write.
    wire [BANKS*SLICES-1:0] acks, bits;
    wire [SLICES-1:0] ack = acks[bank*SLICES+:SLICES];
    wire [SLICES-1:0] value = bits[bank*SLICES+:SLICES];
    wire [PADDED-1:0] there = {{(PADDED-COLUMNS){1'b0}}, {COLUMNS{1'b1}}};
    wire [PADDED-1:0] chosen = {{(PADDED-COLUMNS){1'b0}}, enabled & input_bits};
    wire [SLICES-1:0] asked;
    wire [SLICES-1:0] finished = done | ack | ~asked;
    wire [31:0] said = (writes ? WRITE_MODE : READ_MODE) << 30 | line << 25 | column << 20 |
        (command == SET ? 32'd255 : 32'd0);

    genvar s, b;
    generate
        for (s = 0; s < SLICES; s = s + 1) begin : slices
            assign asked[s] = writes ? chosen[s*CELL_COLUMNS+column] : there[s*CELL_COLUMNS+column];
            for (b = 0; b < BANKS; b = b + 1) begin : banks
                wire offered = (state == COMMAND || state == DATA) & bank == b & asked[s] & ~done[s];
                wire [31:0] data;
                binohm_storage_cells #(
                    .ROWS(CELL_ROWS), .COLUMNS(CELL_COLUMNS), .WRITE_CYCLES(WRITE_CYCLES),
                    .READ_CYCLES(READ_CYCLES), .MODE_WRITE(MODE_WRITE), .MODE_READ(MODE_READ),
                    .THRESHOLD(THRESHOLD), .INIT(INIT), .IMAGE_ROWS(ROWS), .IMAGE_COLUMNS(COLUMNS),
                    .FIRST_ROW(b * CELL_ROWS), .FIRST_COLUMN(s * CELL_COLUMNS)
                ) cells (
                    .wb_clk_i(clk), .wb_rst_i(rst), .wbs_stb_i(offered), .wbs_cyc_i(offered),
                    .wbs_we_i(state == COMMAND), .wbs_sel_i(4'hf), .wbs_dat_i(said),
                    .wbs_adr_i(32'd0), .wbs_ack_o(acks[b*SLICES+s]), .wbs_dat_o(data)
                );
                assign bits[b*SLICES+s] = data[0];
                wire unused = &{1'b0, data[31:1]};
            end
        end

        if (CACHED != 0) begin : cache
            reg [COLUMNS-1:0] words [0:ROWS-1];
            reg [ROWS-1:0] known;
            assign keeps = cmd == READ & known[row];
            assign kept = 1'b1;
            assign kept_word = words[row];
            wire [31:0] place = bank * CELL_ROWS + line;
            always @(posedge clk) begin
                if (state == RESPOND && command == READ) words[place[ROW_BITS-1:0]] <= word[COLUMNS-1:0];
                if (rst) known <= 0;
                else if (state == RESPOND && command == READ) known[place[ROW_BITS-1:0]] <= 1'b1;
                else if (state == COMMAND && writes) known[place[ROW_BITS-1:0]] <= 1'b0;
            end
            wire unused = &{1'b0, place};
        end else begin : no_cache
            assign keeps = 1'b0;
            assign kept = 1'b0;
            assign kept_word = {COLUMNS{1'b0}};
        end
    endgenerate

    assign q_valid = state == RESPOND;
    assign req_ready = state == IDLE || (state == RESPOND && q_ready);
    wire [COLUMNS-1:0] found = word[COLUMNS-1:0];
    wire unused = &{1'b0, word};
    assign q = command == READ ? ~(found ^ input_bits) & enabled :
        command == VERIFY_SET ? (found | ~input_bits) & enabled :
        command == VERIFY_RESET ? (~found | ~input_bits) & enabled : {COLUMNS{1'b0}};

    integer k;
    always @(posedge clk) begin
        if (state == RESPOND && q_ready) state <= IDLE;
        if (accepted) begin
            command <= cmd;
            bank <= {{(32-ROW_BITS){1'b0}}, row} / CELL_ROWS;
            line <= {{(32-ROW_BITS){1'b0}}, row} % CELL_ROWS;
            column <= 0;
            done <= 0;
            input_bits <= col_x;
            enabled <= col_en;
            word <= {{(PADDED-COLUMNS){1'b0}}, kept_word};
            state <= cmd == 3'd1 || cmd > VERIFY_RESET || (kept && keeps) ? RESPOND : COMMAND;
        end else if (state == COMMAND || state == DATA) begin
            done <= finished;
            if (&finished) begin
                done <= 0;
                if (state == COMMAND && !writes) state <= DATA;
                else begin
                    column <= column + 1;
                    state <= column == LAST ? RESPOND : COMMAND;
                end
            end
            for (k = 0; k < SLICES; k = k + 1)
                if (state == DATA && ack[k]) word[k*CELL_COLUMNS+column] <= value[k];
        end
        if (rst) state <= IDLE;
    end
endmodule

// Model of a macro of single cells behind Wishbone: one bit a cell, written and read one at a time.
//
// A write is a command: mode, row, column, data. It is taken when the macro is idle, and
// acknowledged in the next cycle. Mode MODE_WRITE makes the cell 1 if data is THRESHOLD or more, else
// 0, and takes WRITE_CYCLES until the next command is taken. Mode MODE_READ fetches a cell: the read
// that follows is acknowledged, with the cell in bit 0, in the last of READ_CYCLES; then the next
// command is taken. A read without such a command gives 0. Reset ends a command and clears no cell.
//
// INIT names an image of the array that these cells are part of: one word a row. With the plusarg
// +binohm_blank, or without an image, all cells are 0.
module binohm_storage_cells #(
    parameter ROWS = 32,
    parameter COLUMNS = 32,
    parameter WRITE_CYCLES = 200,
    parameter READ_CYCLES = 44,
    parameter MODE_WRITE = 3,
    parameter MODE_READ = 1,
    parameter MODE_LOW = 30,
    parameter MODE_BITS = 2,
    parameter ROW_LOW = 25,
    parameter ROW_BITS = 5,
    parameter COLUMN_LOW = 20,
    parameter COLUMN_BITS = 5,
    parameter DATA_BITS = 8,
    parameter THRESHOLD = 128,
    parameter INIT = "",
    parameter IMAGE_ROWS = 1,
    parameter IMAGE_COLUMNS = 1,
    parameter FIRST_ROW = 0,
    parameter FIRST_COLUMN = 0
) (
    input  wire        wb_clk_i,
    input  wire        wb_rst_i,
    input  wire        wbs_stb_i,
    input  wire        wbs_cyc_i,
    input  wire        wbs_we_i,
    input  wire [3:0]  wbs_sel_i,
    input  wire [31:0] wbs_dat_i,
    input  wire [31:0] wbs_adr_i,
    output wire        wbs_ack_o,
    output wire [31:0] wbs_dat_o
);
    reg [COLUMNS-1:0] array [0:ROWS-1];
    reg [IMAGE_COLUMNS-1:0] image [0:IMAGE_ROWS-1];
    integer r, c;
    initial begin
        for (r = 0; r < IMAGE_ROWS; r = r + 1) image[r] = 0;
        if (INIT != "" && !$test$plusargs("binohm_blank")) $readmemh(INIT, image);
        for (r = 0; r < ROWS; r = r + 1)
            for (c = 0; c < COLUMNS; c = c + 1)
                array[r][c] = FIRST_ROW + r < IMAGE_ROWS && FIRST_COLUMN + c < IMAGE_COLUMNS ?
                    image[FIRST_ROW+r][FIRST_COLUMN+c] : 1'b0;
    end

    reg [31:0] busy;  // cycles until the next command is taken
    reg acknowledged, fetched, value;
    wire [MODE_BITS-1:0] mode = wbs_dat_i[MODE_LOW+:MODE_BITS];
    localparam ROW_INDEX = ROWS > 1 ? $clog2(ROWS) : 1;
    localparam COLUMN_INDEX = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
    wire [ROW_BITS-1:0] row_field = wbs_dat_i[ROW_LOW+:ROW_BITS];
    wire [COLUMN_BITS-1:0] column_field = wbs_dat_i[COLUMN_LOW+:COLUMN_BITS];
    wire [ROW_INDEX-1:0] row = row_field[ROW_INDEX-1:0];
    wire [COLUMN_INDEX-1:0] column = column_field[COLUMN_INDEX-1:0];
    wire [DATA_BITS-1:0] data = wbs_dat_i[0+:DATA_BITS];
    wire offered = wbs_cyc_i & wbs_stb_i;
    wire taken = offered & wbs_we_i & busy == 0 & ~acknowledged;
    wire answered = offered & ~wbs_we_i & busy <= 1;
    assign wbs_ack_o = (acknowledged & offered) | answered;
    assign wbs_dat_o = {31'd0, answered & fetched & value};

    always @(posedge wb_clk_i) begin
        acknowledged <= taken;
        if (busy != 0) busy <= busy - 1;
        if (answered) fetched <= 0;
        if (taken) begin
            busy <= mode == MODE_WRITE ? WRITE_CYCLES - 1 : mode == MODE_READ ? READ_CYCLES - 1 : 0;
            if (mode == MODE_WRITE) array[row][column] <= data >= THRESHOLD;
            if (mode == MODE_READ) begin
                value <= array[row][column];
                fetched <= 1;
            end
        end
        if (wb_rst_i) begin
            busy <= 0;
            acknowledged <= 0;
            fetched <= 0;
        end
    end
    wire unused = &{1'b0, wbs_sel_i, wbs_adr_i, wbs_dat_i, row_field, column_field};
endmodule
