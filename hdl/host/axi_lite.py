"""The signals of the AXI4-Lite port."""

__all__ = ["AXI_LITE"]

AXI_LITE = {  # signal: (width, driven by the host)
    "awaddr": (12, True),
    "awvalid": (1, True),
    "awready": (1, False),
    "wdata": (32, True),
    "wstrb": (4, True),
    "wvalid": (1, True),
    "wready": (1, False),
    "bresp": (2, False),
    "bvalid": (1, False),
    "bready": (1, True),
    "araddr": (12, True),
    "arvalid": (1, True),
    "arready": (1, False),
    "rdata": (32, False),
    "rresp": (2, False),
    "rvalid": (1, False),
    "rready": (1, True),
}
