"""What goes wrong, caught as the books teach it."""

import time

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

ray.init(num_cpus=2)


@ray.remote
def divide(a, b):
    return a / b


@ray.remote
def slow():
    time.sleep(2)
    return "late"


@ray.remote
class Account:
    def __init__(self, balance):
        if balance < 0:
            raise ValueError("no debts")
        self.balance = balance

    def balance(self):
        return self.balance

    def withdraw(self, amount):
        if amount > self.balance:
            raise RuntimeError(f"only {self.balance} left")
        self.balance -= amount
        return self.balance


try:
    ray.get(divide.remote(1, 0))
except ZeroDivisionError as error:
    print("division", isinstance(error, RayTaskError), error.cause)
try:
    ray.get(slow.remote(), timeout=0.2)
except GetTimeoutError as error:
    print("timeout", isinstance(error, TimeoutError))
account = Account.remote(10)
print(ray.get(account.withdraw.remote(4)), ray.get(account.balance.remote()))
try:
    ray.get(account.withdraw.remote(40))
except RuntimeError as error:
    print("withdraw", error.cause)
try:
    ray.get(Account.remote(-1).balance.remote())
except RayActorError as error:
    print("constructor", "no debts" in str(error))
