-- Inserts, an index, joins, groups and updates.
create table item(id integer primary key, name text, kind integer, price real);
create table sale(id integer primary key, item integer, amount integer);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into item select i, 'item ' || i, i * 7919 % 101, i * 37 % 1000 / 10.0 from n;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
insert into sale select i, i * 7907 % 20000 + 1, i % 9 + 1 from n;
commit;
create index by_item on sale(item);
create index by_name on item(name);
select kind, count(*), round(sum(price * amount), 1) from item join sale on sale.item = item.id group by kind order by 3 desc limit 5;
update item set price = price * 1.1 where kind % 3 = 0;
select count(*), round(avg(price), 3) from item where name like '%7%' and kind between 10 and 60;
select i.name, total(s.amount) from item i left join sale s on s.item = i.id group by i.id order by 2 desc, 1 limit 3;
delete from sale where item % 5 = 0;
select count(*), max(item) from sale;
pragma integrity_check;
