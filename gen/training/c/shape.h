/* What the functions are told of a group of a 3 x 3 convolution, with zeros around its images. */

enum { KERNEL = 3, LANES = 8 };

typedef struct {
    long images, rows, columns; /* before the pool */
    long channels, outputs;     /* of the group */
    long all;                   /* channels of what comes in, of all groups */
} shape;
