"""The whole product on one thread: simulated time, people, faults and crashes, all drawn from a seed."""
