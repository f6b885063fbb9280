/* fftw.c: a Fourier transform by FFTW in two threads, and back.
 *
 * package: libfftw3-dev
 * libs: fftw3_threads fftw3 m
 * pkgconfig: fftw3
 * settings: threads=4 memory=128M
 */
#include <complex.h>
#include <fftw3.h>
#include <hearth.h>
#include <math.h>

enum { N = 65536 };

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const unsigned char *body = hearth_body(call, &n);
    fftw_complex *in = fftw_alloc_complex(N), *out = fftw_alloc_complex(N);
    fftw_plan there, back;
    double error = 0, energy = 0;
    int bad;

    if (in == NULL || out == NULL || n == 0)
        return 1;
    bad = hearth_printf(call, "threads: %d\n", fftw_init_threads() != 0);
    fftw_plan_with_nthreads(2);
    there = fftw_plan_dft_1d(N, in, out, FFTW_FORWARD, FFTW_ESTIMATE);
    back = fftw_plan_dft_1d(N, out, in, FFTW_BACKWARD, FFTW_ESTIMATE);
    for (size_t i = 0; i < N; i++)
        in[i] = body[i % n] + I * (double)(i % 17);
    fftw_execute(there);
    for (size_t i = 0; i < N; i++)
        energy += creal(out[i]) * creal(out[i]) + cimag(out[i]) * cimag(out[i]);
    bad |= hearth_printf(call, "first: %.6f %.6f energy: %.6e\n", creal(out[0]), cimag(out[0]),
                         energy);
    fftw_execute(back);
    for (size_t i = 0; i < N; i++)
        error = fmax(error, cabs(in[i] / N - (body[i % n] + I * (double)(i % 17))));
    bad |= hearth_printf(call, "exact: %d\n", error < 1e-9);
    fftw_destroy_plan(there);
    fftw_destroy_plan(back);
    fftw_free(in);
    fftw_free(out);
    return bad;
}
