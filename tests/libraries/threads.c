/* threads.c: POSIX and C11 threads where `threads` allows them: joining, locks, conditions,
 * thread-local values, names, cancellation; and one too many, which is refused.
 *
 * settings: threads=4 memory=64M
 * expect: too many: Resource temporarily unavailable
 * expect: name: *
 */
#include <errno.h>
#include <hearth.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static unsigned long sum;
static int turn;
static _Thread_local int own;
static sem_t release;

static void *
count(void *user)
{
    long me = (long)user;

    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        sum += (unsigned long)me;
        own++;
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    while (turn != me)
        pthread_cond_wait(&changed, &lock);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return (void *)(long)own;
}

static void *
wait_for_release(void *user)
{
    (void)user;
    while (sem_wait(&release) != 0)
        ;
    return NULL;
}

static void *
wait_for_ever(void *user)
{
    for (;;)
        pause();
    return user;
}

static int
work_together(hearth_call *call)
{
    pthread_t list[3];
    void *result;
    long all = 0;

    sum = 0;
    turn = 1;
    pthread_barrier_init(&barrier, NULL, 3);
    for (long i = 0; i < 3; i++)
        if (pthread_create(&list[i], NULL, count, (void *)(i + 1)) != 0)
            return hearth_printf(call, "create: refused\n") | 1;
    for (int i = 0; i < 3; i++) {
        pthread_join(list[i], &result);
        all += (long)result;
    }
    pthread_barrier_destroy(&barrier);
    return hearth_printf(call, "sum: %lu own: %ld turn: %d\n", sum, all, turn);
}

int
hearth_handle(hearth_call *call)
{
    pthread_t list[8], one;
    pthread_attr_t small;
    char name[16] = "";
    void *result;
    int bad, error = 0, made = 0;

    sem_init(&release, 0, 0);
    bad = work_together(call);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    while (made < 8 && error == 0)
        if ((error = pthread_create(&list[made], &small, wait_for_release, NULL)) == 0)
            made++;
    bad |= hearth_printf(call, "too many: %s\n", strerror(error));
    bad |= hearth_printf(call, "some: %d\n", made >= 3);
    for (int i = 0; i < made; i++)
        sem_post(&release);
    for (int i = 0; i < made; i++)
        pthread_join(list[i], NULL);
    error = pthread_create(&one, &small, wait_for_ever, NULL);
    bad |= hearth_printf(call, "again: %s\n", strerror(error));
    if (error == 0) {
        bad |= hearth_printf(call, "name: %d", pthread_setname_np(one, "hearth-w"));
        bad |= hearth_printf(call, " %d", pthread_getname_np(one, name, sizeof name));
        bad |= hearth_printf(call, " %s\n", name);
        pthread_cancel(one);
        pthread_join(one, &result);
        bad |= hearth_printf(call, "cancelled: %d\n", result == PTHREAD_CANCELED);
    }
    pthread_attr_destroy(&small);
    sem_destroy(&release);
    return bad;
}
