/* openblas.c: a product of matrices and a system of equations by OpenBLAS in two threads. The
 * library reads its environment when it is loaded.
 *
 * package: libopenblas-dev
 * libs: openblas
 * pkgconfig: openblas
 * settings: threads=4 memory=256M
 * env: OPENBLAS_CORETYPE=Nehalem
 */
#include <cblas.h>
#include <hearth.h>
#include <math.h>

enum { N = 256 };

/* LAPACK's, in Fortran: solves the system of `count` right sides, a by columns. */
extern void dgesv_(const int *n, const int *count, double *a, const int *lda, int *pivots,
                   double *b, const int *ldb, int *info);

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const unsigned char *body = hearth_body(call, &n);
    double *a = hearth_alloc(call, N * N * sizeof *a), *b = hearth_alloc(call, N * N * sizeof *b);
    double *c = hearth_alloc(call, N * N * sizeof *c), *x = hearth_alloc(call, N * sizeof *x);
    double sum = 0, error = 0;
    int pivots[N], size = N, one = 1, info, bad;

    if (a == NULL || b == NULL || c == NULL || x == NULL || n == 0)
        return 1;
    openblas_set_num_threads(2);
    for (int i = 0; i < N * N; i++) {
        a[i] = body[(size_t)i % n] % 16 + (i % (N + 1) == 0 ? 5000 : 0);
        b[i] = i % 13;
    }
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1.0, a, N, b, N, 0.0, c, N);
    for (int i = 0; i < N * N; i++)
        sum += c[i];
    bad = hearth_printf(call, "kernels: %s\n", openblas_get_corename());
    bad |= hearth_printf(call, "sum of the product: %.0f\n", sum);
    cblas_dgemv(CblasColMajor, CblasNoTrans, N, N, 1.0, a, N, b, 1, 0.0, x, 1);
    dgesv_(&size, &one, a, &size, pivots, x, &size, &info);
    for (int i = 0; i < N; i++)
        error = fmax(error, fabs(x[i] - b[i]));
    return bad | hearth_printf(call, "solved: %d exact: %d\n", info, error < 1e-9);
}
